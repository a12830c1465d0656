"""What holds for every test."""

from hypothesis import HealthCheck, settings

# A deadline measures the machine and what else it does, not the property.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("steady")
