"""Train, save and test a model, then load it again and forecast with it: ``python run.py [FOLDER]``."""

import sys
from pathlib import Path

import lateness

from engine import driver
from engine.function_modifiers import source
from engine.io.materialization import from_, to

FLIGHTS = Path(__file__).parent.parent / "flights" / "data" / "flights.parquet"


def main(folder: Path) -> None:
    """Keep the model and its forecasts in ``folder``."""
    dr = driver.Builder().with_modules(lateness).build()
    inputs = {"flights_path": str(FLIGHTS), "model_path": str(folder / "lateness.json")}

    # Train: the saver stands above the function, so what it returns is a node like any other.
    trained = dr.execute(["saved_model", "lateness_forecast"], inputs=inputs)
    print(trained["saved_model"])

    # Forecast: the model is loaded where it was trained, nothing else changes.
    model = from_.xgboost_json(target="lateness_model", path=source("model_path"))
    forecast = to.parquet(id="forecast", dependencies=["lateness_forecast"], path=str(folder / "forecast.parquet"))
    _, loaded = dr.materialize(model, forecast, additional_vars=["lateness_forecast"], inputs=inputs)
    difference = (loaded["lateness_forecast"]["probability"] - trained["lateness_forecast"]["probability"]).abs().max()
    print(
        f"{len(loaded['lateness_forecast'])} forecasts, none differs by more than {difference} from the trained model's"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out"))
