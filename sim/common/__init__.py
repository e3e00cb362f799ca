"""What every room uses: errors, text, numbers, threads, memory, files, fingerprints."""
