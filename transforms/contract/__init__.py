"""What HR promises: model, loader, row checks."""
