"""The worker process, and what is handed to it and read back."""
