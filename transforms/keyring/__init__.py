"""Key references, keysets and providers: one file a provider."""
