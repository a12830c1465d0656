"""What happens to a batch, from contract to leak gate."""
