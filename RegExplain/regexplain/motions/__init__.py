"""What a displacement does to the anatomy, fitted and named."""
