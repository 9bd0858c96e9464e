"""The paper's qualitative route: Keras classifiers of the L3 slice, their scores and their explanations.

The only package that imports TensorFlow, Keras or LIME, and only inside functions.
"""
