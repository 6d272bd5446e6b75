"""Networks of other frameworks: made from a card, asked as the card says, imported and checked."""
