"""Two Ranviers and a Synapse under the load of many people, while things break: `make soak`."""
