"""What it costs: a load generator in C, servers that do the same thing, and one run over all."""
