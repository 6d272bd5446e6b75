"""The latent space of a network: its components, where an image stands in it, and one registration decomposed."""
