"""Federated averaging on Flower: ten clients learn SST-2, and no text leaves its owner.

Each round (McMahan et al., 2017) every client trains the server's weights on its own
texts, and the server takes the mean, weighted by how many texts each has. Clients have
unequal data: the last of ten has ten times as much as the first, or with `--skew=0.3` a
share of each label that is drawn from a Dirichlet distribution. Word pieces are learnt
from text that everybody may see, `--public=lm/wikitext2_valid.raw.txt`.

Flower's own strategy speaks with Flower's own `ClientApp` here, in one process: `Local`
hands on their messages, where Flower's simulation wants Ray. On machines of their own
the same app runs as a SuperNode, behind TLS (docs/trust.md).
Result on the 872 dev sentences after five rounds: accuracy 0.787, with `--skew=0.3`
0.765; twenty rounds are no better (docs/trust.md). Time: 3.2 minutes for twenty rounds,
beside other jobs on 2 cores of an AMD EPYC (Zen 3).
"""

import logging
import os
import time

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")  # Flower Labs are told nothing

import keras
from absl import app, flags
from flwr.app import (
    ArrayRecord,
    ConfigRecord,
    Context,
    Message,
    MetricRecord,
    RecordDict,
)
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg
from flwr.supercore.task_identity import TaskIdentity

import massivetext_keras as mtk
from massivetext_keras.privacy import (
    DPSGD,
    FederatedClient,
    federated_shares,
    set_weights,
    weights_of,
)
from massivetext_keras.tasks import TextClassifier

flags.DEFINE_string("data", None, "folder of train.tsv and dev.tsv", required=True)
flags.DEFINE_string("public", None, "text for the word pieces", required=True)
flags.DEFINE_integer("clients", 10, "how many; 1 is training at one place")
flags.DEFINE_float("skew", None, "of labels; none: all clients have the same shares")
flags.DEFINE_integer("rounds", 20, "how often the server takes the mean")
flags.DEFINE_integer("epochs", 1, "passes of a client over its texts in a round")
flags.DEFINE_float("learning_rate", 2e-3, "of Adam, which begins anew in each round")
flags.DEFINE_integer("batch_size", 32, "texts of a batch")
flags.DEFINE_float("noise_multiplier", None, "of private training; none: it is not")
flags.DEFINE_float("clip_norm", 1.0, "of private training")
flags.DEFINE_integer("seed", 0, "of the shares and the model")
flags.DEFINE_string("output", None, "folder for the preset")
FLAGS = flags.FLAGS


def client_app(clients) -> ClientApp:
    """What a machine runs that has the data of a client; here it has those of all."""
    made = ClientApp()

    @made.train()
    def train(message: Message, context: Context) -> Message:
        client = clients[context.node_config["partition-id"]]
        weights = message.content["arrays"].to_numpy_ndarrays()
        weights, measures = client.learn(weights, message.content["config"]["epochs"])
        metrics = {"num-examples": client.count, "loss": measures["loss"]}
        content = {"arrays": ArrayRecord(weights), "metrics": MetricRecord(metrics)}
        return Message(RecordDict(content), reply_to=message)

    return made


class Local(Grid):
    """Clients of this process, one after another.

    Args:
        app: of all of them.
        count: how many.
    """

    run = None

    def __init__(self, app: ClientApp, count: int):
        # As Flower's simulation does, for what messages say of who sent them.
        TaskIdentity.run_id = TaskIdentity.task_id = TaskIdentity.node_id = count
        self.app = app
        self.contexts = [
            Context(0, i, {"partition-id": i}, RecordDict(), {}) for i in range(count)
        ]

    def get_node_ids(self):
        return range(len(self.contexts))

    def send_and_receive(self, messages, *, timeout=None):
        return [
            self.app(message, self.contexts[message.metadata.dst_node_id])
            for message in messages
        ]

    def set_run(self, run):
        raise NotImplementedError("there is one run")

    def create_message(self, *args, **kwargs):
        raise NotImplementedError("Message(…) makes one")

    def push_messages(self, messages):
        raise NotImplementedError("messages are answered when they are sent")

    def pull_messages(self, message_ids):
        raise NotImplementedError("messages are answered when they are sent")


def federate(task, clients, rounds, epochs, measure):
    """Flower's rounds; the task has the last mean in the end, and what `measure` gives
    of each mean is returned, from round 0."""

    def evaluate(_, arrays: ArrayRecord) -> MetricRecord:
        set_weights(task, arrays.to_numpy_ndarrays())
        return MetricRecord({"accuracy": measure(task)})

    all_of_them = {"min_train_nodes": len(clients), "min_available_nodes": len(clients)}
    result = FedAvg(fraction_evaluate=0.0, **all_of_them).start(
        Local(client_app(clients), len(clients)),
        ArrayRecord(weights_of(task)),
        num_rounds=rounds,
        train_config=ConfigRecord({"epochs": epochs}),
        evaluate_fn=evaluate,
    )
    found = result.evaluate_metrics_serverapp
    return [found[i]["accuracy"] for i in range(rounds + 1)]


def main(_):
    logging.getLogger("flwr").setLevel(logging.WARNING)
    keras.utils.set_random_seed(FLAGS.seed)
    train, dev = (
        TextClassifier.read_examples(f"{FLAGS.data}/{part}.tsv")
        for part in ("train", "dev")
    )
    tokenizer = mtk.tokenizers.WordPieceTokenizer.train(
        FLAGS.public, vocabulary_size=8000
    )
    options = TextClassifier.options_for(train)
    task = TextClassifier.from_preset(
        "word_embeddings", tokenizer, head="mean", hidden_size=64, **options
    )
    private = None
    if FLAGS.noise_multiplier is not None:
        private = DPSGD(FLAGS.clip_norm, FLAGS.noise_multiplier)
    task.compile(keras.optimizers.Adam(FLAGS.learning_rate), privacy=private)
    shares = federated_shares(
        [example.label for example in train],
        FLAGS.clients,
        FLAGS.skew,
        least=FLAGS.batch_size,
        seed=FLAGS.seed,
    )
    clients = [
        FederatedClient(task, [train[i] for i in share], FLAGS.batch_size, seed=number)
        for number, share in enumerate(shares)
    ]
    for client, share in zip(clients, shares, strict=True):
        positive = sum(train[i].label == "1" for i in share) / len(share)
        print(f"{client.count} texts, {100 * positive:.0f} % positive")
    begin = time.time()
    accuracies = federate(
        task,
        clients,
        FLAGS.rounds,
        FLAGS.epochs,
        lambda task: task.measure(dev)["accuracy"],
    )
    print("round", *range(FLAGS.rounds + 1), sep="\t")
    print("accuracy", *(f"{x:.3f}" for x in accuracies), sep="\t")
    print(f"{time.time() - begin:.0f} seconds")
    if private:
        print(f"epsilon of a text: {max(client.spent() for client in clients):.2f}")
    if FLAGS.output:
        task.save_preset(FLAGS.output)


if __name__ == "__main__":
    app.run(main)
