"""What the module needs, and the questions before it is installed."""
