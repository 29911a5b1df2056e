import torch
import torch.nn.functional as F
from torch import nn, optim

corpus = [
    "we",
    "are",
    "about",
    "to",
    "study",
    "the",
    "idea",
    "of",
    "a",
    "process",
    "and",
    "the",
    "process",
    "is",
    "about",
    "an",
    "idea",
]
vocab = sorted(set(corpus))
word_to_ix = {word: i for i, word in enumerate(vocab)}
ngrams = [([corpus[i - 2], corpus[i - 1]], corpus[i]) for i in range(2, len(corpus))]


class NGramLanguageModeler(nn.Module):
    def __init__(self, vocab_size, embedding_dim, context_size):
        super().__init__()
        self.embeddings = nn.Embedding(vocab_size, embedding_dim)
        self.linear1 = nn.Linear(context_size * embedding_dim, 8)
        self.linear2 = nn.Linear(8, vocab_size)

    def forward(self, inputs):
        embeds = self.embeddings(inputs).view((1, -1))
        out = F.relu(self.linear1(embeds))
        return F.log_softmax(self.linear2(out), dim=1)


model = start(NGramLanguageModeler(len(vocab), 4, 2))
loss_function = nn.NLLLoss()
optimizer = optim.SGD(model.parameters(), lr=0.05)
losses = []
for epoch in range(4):
    total_loss = 0
    for context, target in ngrams:
        context_idxs = torch.tensor([word_to_ix[w] for w in context], dtype=torch.long)
        model.zero_grad()
        loss = loss_function(
            model(context_idxs), torch.tensor([word_to_ix[target]], dtype=torch.long)
        )
        loss.backward()
        optimizer.step()
        total_loss += loss.item()
    losses.append(total_loss)
e = model.embeddings.weight
similar = F.cosine_similarity(e[0].unsqueeze(0), e, dim=1)
result = [
    losses,
    e[word_to_ix["idea"]].tolist(),
    similar.tolist(),
    similar.topk(3).indices.tolist(),
]
