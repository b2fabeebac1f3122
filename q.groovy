:remote connect tinkerpop.server /tmp/gs/conwd/remote.yaml
:remote console
g.with('Neptune#ml.endpoint','c').V(1).properties('city').with('Neptune#ml.classification').value()
:quit
