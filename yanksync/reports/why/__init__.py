"""Why a project or release can, or cannot, be installed from the mirror."""
