"""What Patroni's own commands can't do without the network."""
