"""The public verbs: simulate, sample, sweep; Datasets are made here."""
