"""Settings of the installation, and connections and flows from YAML. The only reader of the environment."""
