from fasterapi import App, Limits

app = App(limits=Limits(max_threads=1000))
