"""What a training will take, forecast before it starts: memory by component, time, and what makes it fit."""

from kenpin.forecast.figures import Forecast, Memory, Remedy, Times
from kenpin.forecast.forecasting import forecast_run

__all__ = ["Forecast", "Memory", "Remedy", "Times", "forecast_run"]
