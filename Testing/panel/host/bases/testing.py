import sys
import unittest


def runUnitTest(path, testname):
    """Run a unittest by dotted name, with `path` (a folder or several) importable; raises where it fails."""
    sys.path.extend([path] if isinstance(path, str) else path)
    if (
        not unittest.TextTestRunner(verbosity=2)
        .run(unittest.defaultTestLoader.loadTestsFromName(testname))
        .wasSuccessful()
    ):
        raise RuntimeError(f"{testname} failed.")
