import org.apache.tinkerpop.gremlin.driver.Cluster;
import org.apache.tinkerpop.gremlin.driver.remote.DriverRemoteConnection;
import org.apache.tinkerpop.gremlin.groovy.jsr223.GremlinGroovyScriptEngine;
import org.apache.tinkerpop.gremlin.process.traversal.AnonymousTraversalSource;
import org.apache.tinkerpop.gremlin.process.traversal.Traversal;
import org.apache.tinkerpop.gremlin.process.traversal.dsl.graph.GraphTraversalSource;
import org.apache.tinkerpop.gremlin.util.ser.Serializers;
import org.apache.tinkerpop.shaded.jackson.databind.ObjectMapper;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Asks through TinkerPop's Java driver: {@code java -cp 'lib/*' Ask.java PORT SERIALIZER < queries.json}, where a
 * query is the text of a traversal of this JVM's own {@code g}, which travels as bytecode. Prints {name: answers}.
 */
public final class Ask {
    public static void main(final String[] arguments) throws Exception {
        final ObjectMapper json = new ObjectMapper();
        final Map<?, ?> queries = json.readValue(System.in, LinkedHashMap.class);
        final Map<Object, List<?>> answers = new LinkedHashMap<>();
        final Cluster cluster = Cluster.build("127.0.0.1").port(Integer.parseInt(arguments[0]))
                .serializer(Serializers.valueOf(arguments[1])).create();
        try (GraphTraversalSource g =
                     AnonymousTraversalSource.traversal().withRemote(DriverRemoteConnection.using(cluster, "g"))) {
            final GremlinGroovyScriptEngine engine = new GremlinGroovyScriptEngine();
            engine.put("g", g);
            for (final Map.Entry<?, ?> query : queries.entrySet())
                answers.put(query.getKey(), ((Traversal<?, ?>) engine.eval((String) query.getValue())).toList());
        } finally {
            cluster.close();
        }
        System.out.println(json.writeValueAsString(answers));
        System.exit(0); // the script engine's threads are no daemons
    }
}
