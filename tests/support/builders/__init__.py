"""Values and pages for the tests of single modules."""
