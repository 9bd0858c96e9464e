"""An archive's studies come in, and segmentation and report go back: `sarcopenia inbox` (docs/inbox.md).

Nothing listens and nothing is sent unless a person has named address and peer in a settings file.
"""
