"""What one supplier may receive: model, loader, lint against the contract."""
