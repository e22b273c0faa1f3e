from model_folders import random_chat, random_classifier, red_chat

__all__ = ["random_chat", "random_classifier", "red_chat"]
