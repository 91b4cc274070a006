# Type checkers take a folder of stubs for a package only where it has this file.
version: str
version_info: tuple[int, int, int, int]
trio_version: str
