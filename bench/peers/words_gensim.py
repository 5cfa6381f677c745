#!/usr/bin/python3
"""Skip-gram in gensim (Debian's python3-gensim), with the settings of bench/words.

    words_gensim.py WORKERS FOLDER

Prints words per second of the training (words of the vocabulary, subsampled ones included) and the share of the analogies
that come out right, in %, among the 30,000 most frequent words."""
import os
import sys
import time

from gensim.models import Word2Vec
from gensim.models.word2vec import LineSentence

workers, folder = int(sys.argv[1]), sys.argv[2]
text = os.path.join(folder, "words/imdb-unsup-40k.txt.gz")
sentences = [line for line in LineSentence(text, max_sentence_length=10**6)]
model = Word2Vec(vector_size=100, window=5, negative=5, sample=1e-4, sg=1, min_count=5, workers=workers, seed=1)
model.build_vocab(sentences)
start = time.perf_counter()
_, words = model.train(sentences, total_examples=model.corpus_count, epochs=1)
seconds = time.perf_counter() - start
in_vocabulary = sum(model.wv.get_vecattr(w, "count") for w in model.wv.index_to_key)
score, _ = model.wv.evaluate_word_analogies(os.path.join(folder, "words/questions-words.txt"), restrict_vocab=30000)
print("%.0f %.2f" % (in_vocabulary / seconds, 100 * score))
