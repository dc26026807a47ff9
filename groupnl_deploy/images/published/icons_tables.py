"""Icons-50 (Hendrycks and Dietterich, 2018): its classes, and where it is."""

ADDRESS = "https://github.com/hendrycks/robustness"
REMEDY = f"Get Icons-50.npy, or the folder Icons-50, by the link on {ADDRESS}."
FOLDER, FILE = "Icons-50", "Icons-50.npy"
_CLASSES = """
airplane arrow_directions ball biking bird blade boat books building bunny_ears cartwheeling clock cloud disk drinks
emotion_face envelope family fast_train feline flag flower footwear golfing hand hat heart holding_hands
japanese_ideograph kiss lock mailbox marine_animals medal money monkey moon mountain numbers phone prohibit_sign star
surfing tree umbrella vehicle water_polo worker wrestling writing_utensil
"""
CLASSES = tuple(_CLASSES.split())
"""In the order of their labels."""
IMAGES = 10_000
IN_THE_TABLES = ("apple", "facebook", "google", "samsung")
"""The companies that the papers of SineFM and GroupNL hold out in turn."""
