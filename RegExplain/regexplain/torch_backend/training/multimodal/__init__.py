"""Training pairs of two contrasts: T1-like and FLAIR-like images of one anatomy with known motions, and real visits."""
