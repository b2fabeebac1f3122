// Gremlin Server's start script: binds `g`, and once per server loads the sample that graph.properties names.
def onStartUp = { context ->
    def sample = graph.configuration().getString('neptuneml.sample', '')
    if (sample) org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerFactory."generate$sample"(graph)
    // A parent that asked for it holds the other end of stdin; it closes with the parent, however that ends.
    if (Boolean.getBoolean('neptuneml.endWithParent'))
        Thread.startDaemon { while (System.in.read() >= 0) {}; Runtime.runtime.halt(0) }
}
[hook: [onStartUp: onStartUp] as LifeCycleHook, g: traversal().withEmbedded(graph)]
