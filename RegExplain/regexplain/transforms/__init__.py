"""Linear and dense transforms: from files, their inverse and Jacobian, and the alignment before a network."""
