"""The textbook way to serve the model, for comparison only.

Written as tutorials do it: a large random forest behind mlflow.pyfunc, features by a pandas query for each request,
synchronous handlers, the answer counted and logged in the handler.

    python benchmarks/textbook_api.py train FOLDER     # DATABASE_URL says where the months are
    python benchmarks/textbook_api.py serve FOLDER PORT
"""

import os
import sys

import mlflow
import mlflow.pyfunc
import mlflow.sklearn
import pandas as pd
import uvicorn
from fastapi import FastAPI, HTTPException
from prometheus_client import Counter, make_asgi_app
from pydantic import BaseModel
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sqlalchemy import create_engine, text

NUMBERS = [
    "months_active",
    "monthly_fee",
    "paperless_billing",
    "plan_stream_tv",
    "plan_stream_movies",
    "watch_hours_30d",
    "avg_session_mins_7d",
    "unique_devices_30d",
    "skips_7d",
    "rebuffer_events_7d",
    "failed_payments_90d",
    "support_tickets_90d",
    "ticket_avg_resolution_hrs_90d",
]
CATEGORIES = ["net_service"]
QUERY = """
SELECT s.user_id, months_active, monthly_fee, paperless_billing, plan_stream_tv, plan_stream_movies, net_service,
       watch_hours_30d, avg_session_mins_7d, unique_devices_30d, skips_7d, rebuffer_events_7d,
       failed_payments_90d, support_tickets_90d, ticket_avg_resolution_hrs_90d
FROM subscriptions_profile_snapshots s
LEFT JOIN usage_agg_30d_snapshots u USING (user_id, as_of)
LEFT JOIN payments_agg_90d_snapshots p USING (user_id, as_of)
LEFT JOIN support_agg_90d_snapshots t USING (user_id, as_of)
WHERE as_of = (SELECT max(as_of) FROM subscriptions_profile_snapshots)
"""

engine = create_engine(os.environ["DATABASE_URL"])
app = FastAPI()
app.mount("/metrics", make_asgi_app())
PREDICTIONS = Counter("textbook_predictions", "Predictions")
model = None


class Request(BaseModel):
    user_id: str


def prepare(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame[NUMBERS + CATEGORIES].copy()
    frame[NUMBERS] = frame[NUMBERS].astype(float)
    return frame


def train(folder: str) -> None:
    data = pd.read_sql(text(QUERY), engine)
    labels = pd.read_sql(
        "SELECT user_id, churn_label FROM labels WHERE period_start = (SELECT max(period_start) FROM labels)", engine
    )
    data = data.merge(labels, on="user_id")
    columns = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), NUMBERS),
            ("categories", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), CATEGORIES),
        ]
    )
    pipeline = make_pipeline(columns, RandomForestClassifier(n_estimators=300, n_jobs=-1, random_state=0))
    pipeline.fit(prepare(data), data["churn_label"].astype(int))
    mlflow.sklearn.save_model(pipeline, folder, pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle")


@app.get("/health")
def health() -> dict:
    return {"status": "ok"}


@app.post("/predict")
def predict(request: Request) -> dict:
    frame = pd.read_sql(text(QUERY + " AND s.user_id = :user_id"), engine, params={"user_id": request.user_id})
    if frame.empty:
        raise HTTPException(404, "unknown user")
    probability = float(model.predict(prepare(frame))[0][1])
    PREDICTIONS.inc()
    return {"user_id": request.user_id, "prediction": int(probability >= 0.5), "probability": probability}


if __name__ == "__main__":
    if sys.argv[1] == "train":
        train(sys.argv[2])
    else:
        model = mlflow.pyfunc.load_model(sys.argv[2])
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[3]), log_level="warning")
