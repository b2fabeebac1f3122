// Ask a running `neptuneml quickstart --keep` from a Gremlin Console: neptuneml gremlin-console -e examples/quickstart.groovy
import org.apache.tinkerpop.gremlin.driver.remote.DriverRemoteConnection
import static org.apache.tinkerpop.gremlin.process.traversal.AnonymousTraversalSource.traversal

port = (System.getenv('GREMLIN_PORT') ?: '8182') as int
connection = DriverRemoteConnection.using('127.0.0.1', port, 'g')
g = traversal().withRemote(connection)

println 'country: ' + g.with('Neptune#ml.endpoint', 'airport-country').V().has('airport', 'code', 'LHR').properties('country').with('Neptune#ml.classification').value().toList()
println 'miles: ' + g.with('Neptune#ml.endpoint', 'route-distance').V().has('airport', 'code', 'LHR').outE('route').limit(3).properties('dist').with('Neptune#ml.regression').value().toList()
println 'from Austin: ' + g.with('Neptune#ml.endpoint', 'airport-routes').with('Neptune#ml.limit', 5).V().has('airport', 'code', 'AUS').out('route').with('Neptune#ml.prediction').with('Neptune#ml.filterExistingEdges').hasLabel('airport').values('code').toList()

connection.close()
System.exit(0)
