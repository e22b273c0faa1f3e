from model_folders import random_chat, random_classifier, red_chat, red_classifier, small_shieldgemma

__all__ = ["random_chat", "random_classifier", "red_chat", "red_classifier", "small_shieldgemma"]
