"""Any table beside a folder of photographs: which column says what, which photograph and which class each row means."""
