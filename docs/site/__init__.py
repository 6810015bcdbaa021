"""The docs as a site: what lies in docs/ and findings/, and pages that are made from the code, built by Sphinx."""
