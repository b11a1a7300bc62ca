"""What the churn model reads: the 14 features that Driftgate watches."""

from feast import FeatureService
from views import payments_agg_90d_fv, subs_profile_fv, support_agg_90d_fv, usage_agg_30d_fv

churn_v1 = FeatureService(
    name="churn_v1",
    features=[subs_profile_fv, usage_agg_30d_fv, payments_agg_90d_fv, support_agg_90d_fv],
    description="The features of the churn model, version 1",
)
