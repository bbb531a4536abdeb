"""Train, save and test a model, then load it again and forecast with it: ``python run.py [FOLDER]``."""

import sys
from pathlib import Path

import lateness

from engine import driver
from engine.io.materialization import from_, to

FLIGHTS = Path(__file__).parent.parent / "flights" / "data" / "flights.parquet"


def main(folder: Path) -> None:
    """Keep the model and its forecasts in ``folder``."""
    model_path = str(folder / "lateness.json")
    builder = driver.Builder().with_modules(lateness)
    flights = from_.parquet(target="flight_records", path=str(FLIGHTS))

    # Train: the saver stands on the function, so its output is a node like any other.
    trained = builder.copy().with_materializers(flights).build()
    result = trained.execute(["saved_model", "lateness_forecast"], inputs={"model_path": model_path})
    print(result["saved_model"])

    # Forecast: the model is loaded instead of trained, nothing else changes.
    loaded = from_.xgboost_json(target="lateness_model", path=model_path)
    forecast = to.parquet(id="forecast", dependencies=["lateness_forecast"], path=str(folder / "forecast.parquet"))
    dr = builder.copy().with_materializers(flights).build()
    _, values = dr.materialize(loaded, forecast, additional_vars=["lateness_forecast"])
    difference = (values["lateness_forecast"]["probability"] - result["lateness_forecast"]["probability"]).abs().max()
    print(
        f"{len(values['lateness_forecast'])} forecasts, none differs by more than {difference} from the trained model's"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out"))
