"""Load and call models: weights, processors, chat models in this process and behind servers."""
