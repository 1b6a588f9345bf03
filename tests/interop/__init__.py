"""Ranvier and Synapse federate: `make e2e`."""
