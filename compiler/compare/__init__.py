"""Two rules compared: are they the same algorithm, and if not, where do they part?"""
