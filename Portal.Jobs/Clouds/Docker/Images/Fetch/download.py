"""pip, except that a source distribution is only downloaded: none of its code runs.

`pip download` asks a source distribution for its metadata by running its build backend or setup.py. Nothing has checked the
file by then, so the metadata that it carries in PKG-INFO is taken instead.
"""
import os
import shutil
import sys

from pip._internal.cli.main import main
from pip._internal.distributions.sdist import SourceDistribution


def read_metadata(self, *_args, **_kwargs):
    source = self.req.unpacked_source_directory
    folder = os.path.join(source, f"{self.req.name.replace('-', '_')}-0.dist-info")
    os.mkdir(folder)
    shutil.copyfile(os.path.join(source, "PKG-INFO"), os.path.join(folder, "METADATA"))
    self.req.metadata_directory = folder


if not hasattr(SourceDistribution, "prepare_distribution_metadata"):
    sys.exit("this version of pip prepares source distributions in a way that is not known here")
SourceDistribution.prepare_distribution_metadata = read_metadata
sys.exit(main())
