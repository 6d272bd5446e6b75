"""All that needs torch: networks, losses, training, inference, attribution."""
