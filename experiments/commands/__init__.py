"""The commands of `msw`, one file a noun; a command is a dataclass, its fields are its flags."""
