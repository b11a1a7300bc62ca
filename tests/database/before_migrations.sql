-- Driftgate's tables as they were before there were revisions, each with a row.

CREATE TABLE public.feast_applied (
    project text NOT NULL,
    repo text NOT NULL,
    fingerprint text NOT NULL,
    applied_at timestamp with time zone NOT NULL
);

CREATE TABLE public.feast_descriptions (
    repo text NOT NULL,
    fingerprint text NOT NULL,
    description text NOT NULL
);

CREATE TABLE public.monitor_columns (
    monitor text NOT NULL,
    as_of_ref date NOT NULL,
    as_of_cur date NOT NULL,
    name text NOT NULL,
    view text NOT NULL,
    dtype text NOT NULL,
    state text NOT NULL,
    detail text NOT NULL,
    method text NOT NULL,
    score double precision,
    threshold double precision,
    drifted boolean NOT NULL,
    drifted_by text NOT NULL,
    values_ref integer NOT NULL,
    values_cur integer NOT NULL,
    missing_share_ref double precision,
    missing_share_cur double precision,
    missing_share_change double precision,
    corrected_score double precision,
    p_value double precision,
    chance double precision
);

CREATE TABLE public.monitor_decisions (
    monitor text NOT NULL,
    as_of_ref date NOT NULL,
    as_of_cur date NOT NULL,
    number integer NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    confirmed_at timestamp with time zone NOT NULL,
    withdrawn_at timestamp with time zone,
    verdict text NOT NULL,
    reason_codes jsonb NOT NULL,
    champion_version text,
    champion_trained_on date,
    record jsonb NOT NULL
);

CREATE TABLE public.monitor_runs (
    monitor text NOT NULL,
    as_of_ref date NOT NULL,
    as_of_cur date NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    verdict text NOT NULL,
    reasons jsonb NOT NULL,
    drift_share double precision NOT NULL,
    threshold double precision NOT NULL,
    drifted_features integer NOT NULL,
    declared_features integer NOT NULL,
    target_ref double precision,
    target_cur double precision,
    target_drift double precision,
    target_threshold double precision,
    target_reason text NOT NULL,
    rows_ref integer NOT NULL,
    rows_cur integer NOT NULL,
    compared_rows_ref integer NOT NULL,
    compared_rows_cur integer NOT NULL,
    report_html text NOT NULL,
    report_json text NOT NULL,
    record jsonb NOT NULL,
    signalled boolean,
    held_back text,
    retrain text,
    labelled_share_ref double precision,
    labelled_share_cur double precision,
    performance_state text,
    performance_reason text,
    performance_threshold double precision,
    champion_version text,
    auc_ref double precision,
    auc_cur double precision,
    auc_drop double precision,
    auc_drop_low double precision,
    auc_drop_high double precision,
    prediction_score double precision,
    prediction_drifted boolean,
    held_back_code text,
    champion_trained_on date,
    pending boolean,
    gain double precision,
    gain_low double precision,
    gain_high double precision,
    no_gain_code text,
    performance_measure text,
    performance_ref double precision,
    performance_cur double precision,
    performance_drop double precision,
    performance_drop_low double precision,
    performance_drop_high double precision,
    target_in_spreads double precision,
    drop_by_entities double precision,
    drop_by_meaning double precision
);

CREATE TABLE public.month_profiles (
    monitor text NOT NULL,
    as_of date NOT NULL,
    grid_version integer,
    measured_from jsonb NOT NULL,
    profile bytea NOT NULL,
    profile_digest text NOT NULL,
    sample bytea NOT NULL,
    sample_digest text NOT NULL,
    measured_at timestamp with time zone NOT NULL
);

CREATE TABLE public.online_views (
    project text NOT NULL,
    view text NOT NULL,
    as_of date NOT NULL,
    users integer NOT NULL,
    written_at timestamp with time zone NOT NULL
);

CREATE TABLE public.prediction_monitoring (
    batch_id uuid NOT NULL,
    "time" timestamp with time zone NOT NULL,
    as_of date NOT NULL,
    model_version text NOT NULL,
    count integer NOT NULL,
    mean double precision NOT NULL,
    p05 double precision NOT NULL,
    p50 double precision NOT NULL,
    p95 double precision NOT NULL,
    positive_share double precision
);

COMMENT ON COLUMN public.prediction_monitoring.positive_share IS 'of a boolean label';

CREATE TABLE public.predictions (
    prediction_id uuid NOT NULL,
    "time" timestamp with time zone NOT NULL,
    source text NOT NULL,
    entity_key text NOT NULL,
    prediction integer,
    probability double precision,
    model_version text NOT NULL,
    as_of date,
    request_id text,
    features jsonb,
    predicted_value double precision,
    predicted_class text
);

COMMENT ON COLUMN public.predictions.source IS 'api or batch';

COMMENT ON COLUMN public.predictions.prediction IS 'of a boolean label, 0 or 1';

COMMENT ON COLUMN public.predictions.probability IS 'of 1, or of the predicted class; of a numeric label none';

COMMENT ON COLUMN public.predictions.as_of IS 'of a batch';

COMMENT ON COLUMN public.predictions.request_id IS 'of the API';

COMMENT ON COLUMN public.predictions.features IS 'as served by the API';

COMMENT ON COLUMN public.predictions.predicted_value IS 'of a numeric label';

COMMENT ON COLUMN public.predictions.predicted_class IS 'of a categorical label';

CREATE TABLE public.profile_grids (
    monitor text NOT NULL,
    version integer NOT NULL,
    grid text NOT NULL,
    digest text NOT NULL
);

INSERT INTO public.feast_applied VALUES ('streamflow', '/srv/feature_repo', '0000', '2024-04-01 05:06:07+00');

INSERT INTO public.feast_descriptions VALUES ('/srv/feature_repo', '0000', '{}');

INSERT INTO public.monitor_columns VALUES ('churn', '2024-01-31', '2024-02-29', 'f03', 'view', 'FLOAT64', 'compared', '', 'wasserstein', 0.5, 0.1, true, 'values', 100, 90, 0, 0.1, 0.1, NULL, NULL, NULL);
INSERT INTO public.monitor_columns VALUES ('churn', '2024-01-31', '2024-02-29', 'f00', 'view', 'FLOAT64', 'compared', '', 'wasserstein', 0.01, 0.1, false, '', 100, 90, 0, 0.1, 0.1, NULL, NULL, NULL);

INSERT INTO public.monitor_decisions VALUES ('churn', '2024-01-31', '2024-02-29', 1, '2024-04-01 12:00:00+00', '2024-04-01 12:00:00+00', NULL, 'NO_ACTION', '[]', NULL, NULL, '{"inputs": {"label": {"key": null, "table": "labels", "column": "churn_label", "source": null, "timestamp": "period_start"}, "min_rows": 100, "own_past": true, "rows_cur": 7043, "rows_ref": 7043, "as_of_cur": "2024-02-29", "as_of_ref": "2024-01-31", "sample_seed": null, "entity_table": "entities", "require_gain": false, "confirmations": 1, "cooldown_days": 0, "feature_service": "churn_v1", "min_label_share": 0.9, "on_incomparable": "fail", "false_alarm_rate": 0.01, "compared_rows_cur": 7043, "compared_rows_ref": 7043, "missing_threshold": 0.1, "confirmation_window": 1}, "target": {"cur": 0.24151639926167826, "ref": 0.2653698707936959, "reason": "", "p_value": 0.001, "pending": false, "abs_diff": 0.02385347153201764, "threshold": null, "in_spreads": null, "spread_ref": null, "labelled_share_cur": 1.0, "labelled_share_ref": 1.0}, "columns": [{"name": "f03", "view": "view", "dtype": "FLOAT64", "score": 0.5, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": true, "p_value": null, "threshold": 0.1, "drifted_by": "values", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f00", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f01", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f02", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f04", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f05", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f06", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f07", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f08", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f09", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f10", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f11", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f12", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f13", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}], "earlier": [], "monitor": "churn", "pending": false, "reasons": ["drift_share=0.07 < 0.30"], "reports": {"html": "/reports/drift_2024-01-31_vs_2024-02-29.html", "json": "/reports/drift_2024-01-31_vs_2024-02-29.json"}, "retrain": "simulated", "signals": [{"key": "threshold", "name": "drift_share", "text": "drift_share=0.07 < 0.30", "value": 0.07142857142857142, "certain": true, "reached": false, "threshold": 0.3}], "verdict": "NO_ACTION", "champion": null, "excluded": [{"name": "user_id", "reason": "identifier"}], "versions": {"feast": "0.67.0", "pandas": "2.3.3", "prefect": "3.8.8", "driftgate": "0.1.0", "evidently": "0.7.23"}, "explained": [], "held_back": "", "signalled": false, "threshold": 0.3, "decided_at": "2024-04-01T12:00:00+00:00", "prediction": null, "drift_share": 0.07142857142857142, "performance": {"gain": {"low": null, "code": "off", "high": null, "value": null, "reason": "nobody asked for it", "entities": 0}, "state": "off", "causes": {"code": "off", "alike": 0, "reason": "nobody asked for it", "meaning": {"low": null, "high": null, "value": null}, "entities": {"low": null, "high": null, "value": null}}, "reason": "", "measure": "auc", "champion": null, "measures": {}, "segments": {"code": "off", "named": [], "reason": "nobody asked for it", "tested": 0, "too_few": 0}, "relations": [], "threshold": 0.05, "users_cur": 0, "users_ref": 0, "trained_on": null, "passed_over": null}, "reason_codes": [], "waiting_cost": null, "held_back_code": null, "drifted_features": 1, "declared_features": 14, "champion_trained_on": null}');

INSERT INTO public.monitor_runs VALUES ('churn', '2024-01-31', '2024-02-29', '2024-04-01 12:00:00+00', 'NO_ACTION', '["drift_share=0.07 < 0.30"]', 0.07142857142857142, 0.3, 1, 14, 0.2653698707936959, 0.24151639926167826, 0.02385347153201764, NULL, '', 7043, 7043, 7043, 7043, '/reports/drift_2024-01-31_vs_2024-02-29.html', '/reports/drift_2024-01-31_vs_2024-02-29.json', '{"inputs": {"label": {"key": null, "table": "labels", "column": "churn_label", "source": null, "timestamp": "period_start"}, "min_rows": 100, "own_past": true, "rows_cur": 7043, "rows_ref": 7043, "as_of_cur": "2024-02-29", "as_of_ref": "2024-01-31", "sample_seed": null, "entity_table": "entities", "require_gain": false, "confirmations": 1, "cooldown_days": 0, "feature_service": "churn_v1", "min_label_share": 0.9, "on_incomparable": "fail", "false_alarm_rate": 0.01, "compared_rows_cur": 7043, "compared_rows_ref": 7043, "missing_threshold": 0.1, "confirmation_window": 1}, "target": {"cur": 0.24151639926167826, "ref": 0.2653698707936959, "reason": "", "p_value": 0.001, "pending": false, "abs_diff": 0.02385347153201764, "threshold": null, "in_spreads": null, "spread_ref": null, "labelled_share_cur": 1.0, "labelled_share_ref": 1.0}, "columns": [{"name": "f03", "view": "view", "dtype": "FLOAT64", "score": 0.5, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": true, "p_value": null, "threshold": 0.1, "drifted_by": "values", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f00", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f01", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f02", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f04", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f05", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f06", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f07", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f08", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f09", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f10", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f11", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f12", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}, {"name": "f13", "view": "view", "dtype": "FLOAT64", "score": 0.01, "state": "compared", "chance": null, "detail": "", "method": "wasserstein", "drifted": false, "p_value": null, "threshold": 0.1, "drifted_by": "", "values_cur": 90, "values_ref": 100, "corrected_score": null, "missing_share_cur": 0.1, "missing_share_ref": 0.0, "missing_share_change": 0.1}], "earlier": [], "monitor": "churn", "pending": false, "reasons": ["drift_share=0.07 < 0.30"], "reports": {"html": "/reports/drift_2024-01-31_vs_2024-02-29.html", "json": "/reports/drift_2024-01-31_vs_2024-02-29.json"}, "retrain": "simulated", "signals": [{"key": "threshold", "name": "drift_share", "text": "drift_share=0.07 < 0.30", "value": 0.07142857142857142, "certain": true, "reached": false, "threshold": 0.3}], "verdict": "NO_ACTION", "champion": null, "excluded": [{"name": "user_id", "reason": "identifier"}], "versions": {"feast": "0.67.0", "pandas": "2.3.3", "prefect": "3.8.8", "driftgate": "0.1.0", "evidently": "0.7.23"}, "explained": [], "held_back": "", "signalled": false, "threshold": 0.3, "decided_at": "2024-04-01T12:00:00+00:00", "prediction": null, "drift_share": 0.07142857142857142, "performance": {"gain": {"low": null, "code": "off", "high": null, "value": null, "reason": "nobody asked for it", "entities": 0}, "state": "off", "causes": {"code": "off", "alike": 0, "reason": "nobody asked for it", "meaning": {"low": null, "high": null, "value": null}, "entities": {"low": null, "high": null, "value": null}}, "reason": "", "measure": "auc", "champion": null, "measures": {}, "segments": {"code": "off", "named": [], "reason": "nobody asked for it", "tested": 0, "too_few": 0}, "relations": [], "threshold": 0.05, "users_cur": 0, "users_ref": 0, "trained_on": null, "passed_over": null}, "reason_codes": [], "waiting_cost": null, "held_back_code": null, "drifted_features": 1, "declared_features": 14, "champion_trained_on": null}', false, '', 'simulated', 1, 1, 'off', '', 0.05, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL, 'off', 'auc', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO public.month_profiles VALUES ('churn', '2024-03-31', 1, '{}', '\x70', '1', '\x73', '2', '2024-04-01 05:06:07+00');

INSERT INTO public.online_views VALUES ('streamflow', 'usage', '2024-03-31', 1, '2024-04-01 05:06:07+00');

INSERT INTO public.prediction_monitoring VALUES ('00000000-0000-0000-0000-000000000002', '2024-04-01 05:06:07+00', '2024-03-31', '1', 1, 0.75, 0.75, 0.75, 0.75, 1);

INSERT INTO public.predictions VALUES ('00000000-0000-0000-0000-000000000001', '2024-04-01 05:06:07+00', 'batch', '7590-VHVEG', 1, 0.75, '1', '2024-03-31', NULL, 'null', NULL, NULL);

INSERT INTO public.profile_grids VALUES ('churn', 1, '{}', '0000');

ALTER TABLE ONLY public.feast_applied
    ADD CONSTRAINT feast_applied_pkey PRIMARY KEY (project);

ALTER TABLE ONLY public.feast_descriptions
    ADD CONSTRAINT feast_descriptions_pkey PRIMARY KEY (repo);

ALTER TABLE ONLY public.monitor_columns
    ADD CONSTRAINT monitor_columns_pkey PRIMARY KEY (monitor, as_of_ref, as_of_cur, name);

ALTER TABLE ONLY public.monitor_decisions
    ADD CONSTRAINT monitor_decisions_pkey PRIMARY KEY (monitor, as_of_ref, as_of_cur, number);

ALTER TABLE ONLY public.monitor_runs
    ADD CONSTRAINT monitor_runs_pkey PRIMARY KEY (monitor, as_of_ref, as_of_cur);

ALTER TABLE ONLY public.month_profiles
    ADD CONSTRAINT month_profiles_pkey PRIMARY KEY (monitor, as_of);

ALTER TABLE ONLY public.online_views
    ADD CONSTRAINT online_views_pkey PRIMARY KEY (project, view);

ALTER TABLE ONLY public.prediction_monitoring
    ADD CONSTRAINT prediction_monitoring_pkey PRIMARY KEY (batch_id);

ALTER TABLE ONLY public.predictions
    ADD CONSTRAINT predictions_pkey PRIMARY KEY (prediction_id);

ALTER TABLE ONLY public.profile_grids
    ADD CONSTRAINT profile_grids_pkey PRIMARY KEY (monitor, version);

CREATE INDEX predictions_by_time ON public.predictions USING btree ("time");

ALTER TABLE ONLY public.monitor_columns
    ADD CONSTRAINT monitor_columns_monitor_as_of_ref_as_of_cur_fkey FOREIGN KEY (monitor, as_of_ref, as_of_cur) REFERENCES public.monitor_runs(monitor, as_of_ref, as_of_cur) ON DELETE CASCADE;

ALTER TABLE ONLY public.month_profiles
    ADD CONSTRAINT month_profiles_monitor_grid_version_fkey FOREIGN KEY (monitor, grid_version) REFERENCES public.profile_grids(monitor, version);
