"""OpenLineage: tells a lineage server what runs read and wrote.

Theory of operation. Hooks make events and put them into a queue; a thread of its own sends them. So a run neither waits
for the server nor fails with it: what cannot be sent is logged as a warning, what does not fit into the queue is
dropped. At the end of the process the thread is given a moment to send what is left. Values are never sent; messages of
errors are scrubbed of passwords.
"""

from __future__ import annotations

import atexit
import logging
import queue
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    RunFacet,
    datasource_dataset,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    schema_dataset,
    storage_dataset,
)

from engine.dialects.secrets import scrub
from engine.graph_types import HamiltonGraph
from engine.lifecycle.contracts import (
    BasePostGraphExecute,
    BasePostNodeExecute,
    BasePreGraphExecute,
)
from engine.node import NodeKind

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient

    from engine.graph import FunctionGraph
    from engine.node import Node

PRODUCER = "https://pypi.org/project/materialization-engine"
MOST_WAITING = 1000
"""Events that wait for the server at most; a run makes a handful."""
LAST_MOMENT_S = 2.0
"""How long the end of the process waits for events that are not sent yet."""

_logger = logging.getLogger(__name__)


@attr.define
class HamiltonFacet(RunFacet):
    """What was asked for: names only."""

    hamilton_run_id: str
    graph_version: str
    final_vars: list[str]
    inputs: list[str]
    overrides: list[str]


class OpenLineageAdapter(BasePreGraphExecute, BasePostNodeExecute, BasePostGraphExecute):
    """Sends START, and COMPLETE or FAIL with the datasets that the run read and wrote.

    Files are named by their path in the namespace ``file``, tables by their name in the adapter's namespace.

    Args:
        client: Sends events; its transport says where to.
        namespace: The namespace of the job and its tables.
        job_name: The name of the job.
    """

    def __init__(self, client: OpenLineageClient, namespace: str, job_name: str) -> None:
        self.client = client
        self.namespace = namespace
        self.job_name = job_name
        self._sender = _Sender(client)
        self._read: dict[str, list[InputDataset]] = {}
        self._written: dict[str, list[OutputDataset]] = {}

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: FunctionGraph,
        final_vars: list[str],
        inputs: dict[str, Any],
        overrides: dict[str, Any],
    ) -> None:
        """Send START."""
        self._read[run_id], self._written[run_id] = [], []
        facet = HamiltonFacet(
            hamilton_run_id=run_id,
            graph_version=HamiltonGraph.from_graph(graph).version,
            final_vars=list(final_vars),
            inputs=list(inputs),
            overrides=list(overrides),
        )
        kind = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="HAMILTON", jobType="DAG")
        self._send(RunState.START, run_id, run_facets={"hamilton": facet}, job_facets={"jobType": kind})

    def post_node_execute(self, *, run_id: str, node_: Node, success: bool, result: Any, **facts: Any) -> None:
        """Note what a loader read or a saver wrote."""
        del facts
        if not success:
            return
        if node_.kind is NodeKind.LOADER and isinstance(result, tuple):
            self._read[run_id] += create_input_dataset(self.namespace, result[1], node_)
        elif node_.kind is NodeKind.SAVER and isinstance(result, dict):
            self._written[run_id] += create_output_dataset(self.namespace, result, node_)

    def post_graph_execute(self, *, run_id: str, error: Exception | None, success: bool, **facts: Any) -> None:
        """Send COMPLETE or FAIL."""
        del facts
        facets = {} if error is None else {"errorMessage": _message(error)}
        state = RunState.COMPLETE if success else RunState.FAIL
        datasets: dict[str, Any] = {"inputs": self._read.pop(run_id, []), "outputs": self._written.pop(run_id, [])}
        self._send(state, run_id, run_facets=facets, **datasets)

    def flush(self, timeout_s: float = LAST_MOMENT_S) -> bool:
        """Wait until what is known so far is sent, at most this long; say whether it is."""
        return self._sender.flush(timeout_s)

    def _send(
        self,
        state: RunState,
        run_id: str,
        *,
        run_facets: dict[str, Any],
        job_facets: dict[str, Any] | None = None,
        **datasets: Any,
    ) -> None:
        event = RunEvent(
            eventType=state,
            eventTime=datetime.now(tz=UTC).isoformat(),
            run=Run(runId=run_id, facets=run_facets),
            job=Job(namespace=self.namespace, name=self.job_name, facets=job_facets or {}),
            producer=PRODUCER,
            **datasets,
        )
        self._sender.put(event)


class _Sender:
    """Sends events in a thread of its own, begun with the first one."""

    def __init__(self, client: OpenLineageClient) -> None:
        self._client = client
        self._begin()

    def _begin(self) -> None:
        self._waiting: queue.Queue[RunEvent] = queue.Queue(MOST_WAITING)
        self._idle = threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        # Where a driver is sent, it sends with a thread of its own.
        return {"_client": self._client}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._client = state["_client"]
        self._begin()

    def put(self, event: RunEvent) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="engine-openlineage", daemon=True)
                self._thread.start()
                atexit.register(self.flush, LAST_MOMENT_S)
            try:
                self._waiting.put_nowait(event)
                self._idle.clear()
            except queue.Full:
                _logger.warning("the lineage server is too slow; a %s event is dropped", event.eventType)

    def flush(self, timeout_s: float) -> bool:
        return self._idle.wait(timeout_s)

    def _run(self) -> None:
        while True:
            event = self._waiting.get()
            try:
                self._client.emit(event)
            except Exception as error:  # noqa: BLE001 - whatever the transport raises, the run must not know
                _logger.warning("a lineage event was not sent: %s", scrub(str(error)))
            with self._lock:
                if self._waiting.empty():
                    self._idle.set()


def create_input_dataset(namespace: str, metadata: dict[str, Any], node_: Node) -> list[InputDataset]:
    """Describe what a loader read.

    Args:
        namespace: Where tables are named.
        metadata: What the loader says of it.
        node_: The loader's node.
    """
    rows, size = _rows(metadata), _size(metadata)
    statistics = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=rows, size=size)
    place, name = _name(namespace, metadata, node_)
    return [InputDataset(place, name, {"inputStatistics": statistics}, facets=_facets(metadata, node_))]


def create_output_dataset(namespace: str, metadata: dict[str, Any], node_: Node) -> list[OutputDataset]:
    """Describe what a saver wrote.

    Args:
        namespace: Where tables are named.
        metadata: What the saver says of it.
        node_: The saver's node.
    """
    rows, size = _rows(metadata), _size(metadata)
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows, size=size)
    place, name = _name(namespace, metadata, node_)
    return [OutputDataset(place, name, {"outputStatistics": statistics}, facets=_facets(metadata, node_))]


def extract_schema_facet(metadata: dict[str, Any]) -> dict[str, Any]:
    """Describe the columns of a frame, where the metadata knows them."""
    frame = metadata.get("dataframe_metadata") or {}
    names, types = frame.get("column_names"), frame.get("datatypes")
    if not names:
        return {}
    fields = [
        schema_dataset.SchemaDatasetFacetFields(name=str(name), type=None if types is None else str(types[place]))
        for place, name in enumerate(names)
    ]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields=fields)}


def _name(namespace: str, metadata: dict[str, Any], node_: Node) -> tuple[str, str]:
    if path := (metadata.get("file_metadata") or {}).get("path"):
        return "file", str(Path(path).absolute())
    table = (metadata.get("sql_metadata") or {}).get("table_name")
    return namespace, str(table or node_.name)


def _facets(metadata: dict[str, Any], node_: Node) -> dict[str, Any]:
    facets = extract_schema_facet(metadata)
    kind = node_.tags.get("hamilton.data_loader.source") or node_.tags.get("hamilton.data_saver.sink")
    if path := (metadata.get("file_metadata") or {}).get("path"):
        uri = Path(path).absolute().as_uri()
        facets["dataSource"] = datasource_dataset.DatasourceDatasetFacet(name=node_.name, uri=uri)
        facets["storage"] = storage_dataset.StorageDatasetFacet(storageLayer="FileSystem", fileFormat=kind)
    return facets


def _rows(metadata: dict[str, Any]) -> int | None:
    for part in ("sql_metadata", "dataframe_metadata"):
        rows = (metadata.get(part) or {}).get("rows")
        if isinstance(rows, int):
            return rows
    return None


def _size(metadata: dict[str, Any]) -> int | None:
    size = (metadata.get("file_metadata") or {}).get("size")
    return size if isinstance(size, int) else None


def _message(error: Exception) -> error_message_run.ErrorMessageRunFacet:
    trace = "".join(traceback.format_exception(error))
    return error_message_run.ErrorMessageRunFacet(scrub(str(error)), "python", scrub(trace))
