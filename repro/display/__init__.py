"""What people and CI see: tables, progress, JSON lines, JUnit, SARIF, pictures."""
