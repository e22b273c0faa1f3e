"""Loading and calling models: weights, processors, chat models in this process and behind servers."""
