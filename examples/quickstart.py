"""Ask a running `neptuneml quickstart --keep` from your own program, with nothing but gremlin-python.

Usage: python examples/quickstart.py [ws://127.0.0.1:8182/gremlin]
"""

import sys

from gremlin_python.driver.driver_remote_connection import DriverRemoteConnection
from gremlin_python.process.anonymous_traversal import traversal

address = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8182/gremlin"
connection = DriverRemoteConnection(address, "g")
g = traversal().with_(connection)

country = g.with_("Neptune#ml.endpoint", "airport-country").with_("Neptune#ml.limit", 2)
for row in (
    country.V()
    .has("airport", "code", "LHR")
    .properties("country", "Neptune#ml.score")
    .with_("Neptune#ml.classification")
):
    print(row.key, row.value)

distance = g.with_("Neptune#ml.endpoint", "route-distance")
from_lhr = distance.V().has("airport", "code", "LHR").out_e("route").limit(3)
print("miles:", from_lhr.properties("dist").with_("Neptune#ml.regression").value().to_list())

routes = g.with_("Neptune#ml.endpoint", "airport-routes").with_("Neptune#ml.limit", 5)
new = routes.V().has("airport", "code", "AUS").out("route").with_("Neptune#ml.prediction")
print("from Austin:", new.with_("Neptune#ml.filterExistingEdges").has_label("airport").values("code").to_list())

connection.close()
