"""One grammar of values, events, statistics, targets and evidence (`sim help expressions`)."""
